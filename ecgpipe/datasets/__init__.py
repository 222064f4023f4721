"""One file a dataset: where it is published, whose recordings it holds, how one is read.

A dataset offers TITLE, RELEASE, LICENCE, CITATION, PATIENTS (how patients are told apart); URL and
SIZE, the publisher's folder and how many records the whole release has (URL None: `make(folder)`
makes the files, or they are the user's own); MIRROR, that folder below a mirror; FOLDS, the
publisher's folds by part, or None; EXCLUDED, records left out and why; SHARDS; SOURCES, `metadata`
and one for each kind of signal files, called `signals` where there is only one kind.

`files(source, listing, records)` picks a source's files from all names, given the lines of RECORDS;
`ARCHIVE!MEMBER` is a file to take out of an archive. `records(folder)` lists the records that are
there, sorted by id, from metadata alone (headers and annotations are metadata);
`read(folder, record, source)` gives a Signal in millivolts, missing samples as NaN.

A long recording has `spans` of rhythm, `beats` and `unreadable` stretches; its windows get their
labels from what lies in them. Where the boundaries of waves are known, records have `waves` and the
dataset says `WAVES = True`; elsewhere they can be delineated. Importing a dataset imports neither
torch nor h5py. `tests/layouts/NAME.py` writes a few made-up files as the publisher lays them out.
"""
