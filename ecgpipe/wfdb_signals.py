"""WFDB signal files: samples in steps of the converter, by NumPy.

The formats are those of https://wfdb.io/wfdb/signal-5.html but differences (8) and the compressed
ones. How large a file is decides how much is allocated, whatever its header says.
"""

import stat
from itertools import groupby
from pathlib import Path

import numpy as np
from jaxtyping import Int, Int16, Int32, UInt8

from ecgpipe.wfdb_headers import FORMATS, Channel, Header, MalformedRecord


def read_steps(path: Path, header: Header) -> Int[np.ndarray, "lead time"]:
    """Read all channels of a header; raise MalformedRecord where the files are not as it says."""
    files = [list(group) for _, group in groupby(header.channels, lambda channel: channel.file)]
    lengths = [_frames(path, header, channels) for channels in files]
    if len(set(lengths)) > 1:
        raise MalformedRecord(f"{path}: signal files of {lengths} samples; expected one length")
    read = [_read_file(path, channels, lengths[0]) for channels in files]
    steps = np.empty((len(header.channels), lengths[0]), np.result_type(*read))
    last = 0
    for frames in read:
        first, last = last, last + frames.shape[1]
        steps[first:last] = frames.T
    return steps


def missing(channel: Channel) -> int:
    """Give the step that marks a missing sample: the lowest of the format."""
    return -(2 ** (int(FORMATS[channel.format]) - 1))


def _frames(path: Path, header: Header, channels: list[Channel]) -> int:
    """Count the samples of each channel in one signal file, and check its size."""
    layouts = {(channel.format, channel.offset) for channel in channels}
    mine = [channel for channel in header.channels if channel.file == channels[0].file]
    if len(layouts) > 1 or mine != channels:
        raise MalformedRecord(
            f"{path}, line {channels[0].line}: the channels in {channels[0].file} differ in format "
            "or offset, or do not follow each other"
        )
    size, bits = _size(path, channels[0]), FORMATS[channels[0].format] * len(channels)
    stored = size - channels[0].offset
    frames = int(stored * 8 // bits) if header.samples is None else header.samples
    least, cut = divmod(frames * bits, 8)  # 212 may fill up half a byte, and another one
    most = least + (3 if channels[0].format in (310, 311) else 2) * bool(cut)
    if frames < 1 or not least + bool(cut) <= stored <= most:
        raise MalformedRecord(
            f"{path.parent / channels[0].file}: ends at byte {size}; {path.name} says "
            f"{header.samples or 'any number of'} samples of {len(channels)} channels in format "
            f"{channels[0].format} after byte {channels[0].offset}"
        )
    return frames


def _size(path: Path, channel: Channel) -> int:
    """Give a signal file's bytes; only a plain file is ever opened."""
    file = path.parent / channel.file
    try:
        status = file.stat()
    except OSError as error:  # also where the name is longer than the file system allows
        said = f"{path}, line {channel.line}: signal file {channel.file!r}: {error.strerror}"
        raise MalformedRecord(said) from error
    if not stat.S_ISREG(status.st_mode):
        raise MalformedRecord(f"{path}, line {channel.line}: {file} is no plain file")
    return status.st_size


def _read_file(path: Path, channels: list[Channel], frames: int) -> Int[np.ndarray, "time channel"]:
    """Read one signal file, whose samples are interleaved."""
    content = (path.parent / channels[0].file).read_bytes()
    stored = np.frombuffer(content, np.uint8, offset=channels[0].offset)
    steps = _decoded(stored, channels[0].format)
    return steps[: frames * len(channels)].reshape(frames, -1)


def _decoded(stored: UInt8[np.ndarray, " byte"], form: int) -> Int[np.ndarray, " sample"]:
    """Turn bytes into steps; `160` and `80` count from their lowest."""
    if form == 212:
        return _decoded_212(stored)
    if form in (310, 311):
        return _decoded_ten(stored, form)
    if form == 24:
        return _decoded_24(stored)
    if form == 80:
        return stored.astype(np.int16) - 128
    if form == 160:
        return stored.view("<u2").astype(np.int32) - 2**15
    return stored.view({16: "<i2", 32: "<i4", 61: ">i2"}[form])


def _decoded_24(stored: UInt8[np.ndarray, " byte"]) -> Int32[np.ndarray, " sample"]:
    """Widen samples of three bytes to four: shifted to the top and back, the sign comes along."""
    wide = np.zeros((len(stored) // 3, 4), np.uint8)
    wide[:, 1:] = stored.reshape(-1, 3)
    return wide.reshape(-1).view("<i4") >> 8


def _decoded_212(stored: UInt8[np.ndarray, " byte"]) -> Int16[np.ndarray, " sample"]:
    """Unpack pairs of 12-bit samples from three bytes each: low byte, high nibbles, low byte."""
    blocks = np.pad(stored, (0, -len(stored) % 3)).reshape(-1, 3)
    nibbles = blocks[:, 1].astype(np.int16)
    steps = np.empty((len(blocks), 2), np.int16)
    steps[:, 0] = nibbles << 12 >> 4 | blocks[:, 0]  # to the top and back for the sign
    steps[:, 1] = nibbles >> 4 << 12 >> 4 | blocks[:, 2]
    return steps.reshape(-1)


def _decoded_ten(stored: UInt8[np.ndarray, " byte"], form: int) -> Int16[np.ndarray, " sample"]:
    """Unpack three 10-bit samples from four bytes each, as `310` and `311` lay them out."""
    words = np.pad(stored, (0, -len(stored) % 4)).view("<u4")
    if form == 310:  # the third is made of what two halves leave over
        third = (words >> 11 & 0x1F) | (words >> 27 & 0x1F) << 5
        samples = np.stack([words >> 1, words >> 17, third], axis=1)
    else:
        samples = np.stack([words, words >> 10, words >> 20], axis=1)
    return (samples.reshape(-1).astype(np.int16) << 6) >> 6  # to the top and back for the sign
