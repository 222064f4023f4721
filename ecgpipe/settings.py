"""Settings: YAML where people write it, JSON between rules and stages, dataclasses in code."""

import dataclasses
import json
import types
import typing
from typing import Any, TypeVar

from ecgpipe.fit_settings import Fit
from ecgpipe.personal_settings import Personalization

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Preparation:
    """How a record becomes a signal."""

    fs: int  # Hz, after resampling
    seconds: float  # length of every signal, cropped at the end or padded with zeros
    leads: tuple[str, ...]  # `II|ECG`: the first of these that a recording has
    source: str | None = None  # which signals, where a release has them twice: `100hz`, `500hz`
    band: tuple[float | None, float | None] = (
        None,
        None,
    )  # Hz, zero-phase; None leaves that side open
    missing_leads: str = "refuse"  # or `zero`
    missing_samples: str = "refuse"  # or `leave_out`: the record, or what holds them of it
    window: float | None = None  # seconds; long recordings are cut into windows of `seconds`
    stride: float | None = None  # seconds between the starts of windows
    scale: str = "millivolt"  # or `deviation`: each lead about its mean, in standard deviations

    def __post_init__(self) -> None:
        if self.missing_leads not in ("refuse", "zero"):
            raise ValueError(f"missing_leads: {self.missing_leads!r}; allowed: refuse, zero")
        if self.missing_samples not in ("refuse", "leave_out"):
            raise ValueError(
                f"missing_samples: {self.missing_samples!r}; allowed: refuse, leave_out"
            )
        if self.scale not in ("millivolt", "deviation"):
            raise ValueError(f"scale: {self.scale!r}; allowed: millivolt, deviation")
        low, high = self.band
        if (low is not None and low <= 0) or (high is not None and high >= self.fs / 2):
            raise ValueError(
                f"band {self.band} Hz must lie inside 0 and {self.fs / 2} Hz, half of fs {self.fs}"
            )

    @property
    def unit(self) -> str:
        """Name what the whole numbers of a shard count."""
        return "uV" if self.scale == "millivolt" else "standard deviation / 1000"

    def source_among(self, sources: tuple[str, ...]) -> str:
        """Name the signals to read of a dataset's sources: its only ones, or those asked for."""
        signals = [name for name in sources if name != "metadata"]
        if len(signals) > 1 and self.source not in signals:
            raise ValueError(f"source {self.source!r}; the dataset has {', '.join(signals)}")
        return self.source if self.source in signals else signals[0]


@dataclasses.dataclass(frozen=True)
class Task:
    """A dataset and the labels asked of it."""

    datasets: tuple[str, ...]
    vocabulary: str
    labels: str | tuple[str, ...]  # a selection that the vocabulary names, or labels one by one
    where: dict[str, tuple[Any, ...]] = dataclasses.field(
        default_factory=dict
    )  # column: allowed values
    least: int = 0  # labels with fewer records than this are left out
    keep_unlabeled: bool = False  # keep records that carry none of the labels
    overlap: float = 0.5  # share of a window that a rhythm must cover to count
    without: tuple[str, ...] = ()  # rhythms: windows that one of these reaches into are left out
    external: bool = False  # nothing is trained on its records: all of them are test
    valid: float = 1.0  # share of the valid patients that are looked at, for they are labeled too

    def __post_init__(self) -> None:
        if not 0 < self.valid <= 1:
            raise ValueError(f"valid {self.valid}: expected a share above 0, at most 1")
        if not 0 < self.overlap <= 1:
            raise ValueError(f"overlap {self.overlap}: expected a share above 0, at most 1")


@dataclasses.dataclass(frozen=True)
class Pretraining:
    """One pretraining: what is trained, on which records, against which loss."""

    preparation: str
    objective: dict[str, Any]  # name, and what differs from the objective's defaults
    fit: Fit
    backbone: dict[str, Any] | None = None  # name, and what differs from the backbone's defaults
    start: str | None = None  # the pretraining this one goes on from
    members: tuple[str, ...] = ()  # pretrainings of an ensemble, put side by side
    copies: int = 1  # of each member, from first weights of their own
    datasets: tuple[str, ...] = ()  # records without labels
    where: dict[str, tuple[Any, ...]] = dataclasses.field(
        default_factory=dict
    )  # column: allowed values, of these datasets; tasks say it themselves
    tasks: tuple[str, ...] = ()  # records with the labels of these tasks
    seeds: int | None = None  # 1: every run starts from seed 0; None: from its own seed
    parts: tuple[str, ...] = ("train",)  # of the split; with others, what a leak is worth is seen
    head: dict[str, Any] = dataclasses.field(
        default_factory=dict
    )  # what differs from `heads.HeadConfig`, where there are labels
    adapter: dict[str, Any] = dataclasses.field(
        default_factory=lambda: {"name": "full"}
    )  # which weights of the backbone learn

    def __post_init__(self) -> None:
        if sum([self.backbone is not None, self.start is not None, bool(self.members)]) != 1:
            raise ValueError(
                "a pretraining states one of `backbone` (to build), `start` (to go on from) and "
                "`members` (to put side by side)"
            )
        if self.copies < 1 or (self.copies > 1 and not self.members):
            raise ValueError(f"copies {self.copies}: expected how many of each of `members`")
        if self.members and (self.head or not self.tasks):
            raise ValueError(
                "members say the labels of a task, and the head is their mean: name `tasks`, and "
                "leave out `head`"
            )
        if bool(self.datasets) == bool(self.tasks):
            raise ValueError(
                "a pretraining states either `datasets` (without labels) or `tasks` (with labels)"
            )
        if self.tasks and self.where:
            raise ValueError("where: a task says itself which records it takes; state it there")
        if not self.parts or set(self.parts) - {"train", "valid", "test"}:
            raise ValueError(f"parts {self.parts}: expected some of train, valid, test")
        if self.tasks and self.parts != ("train",):
            raise ValueError(f"parts {self.parts}: only train may be learnt from with labels")
        if self.seeds not in (None, 1):
            raise ValueError(f"seeds {self.seeds}: give 1 (all runs share seed 0) or leave it out")
        if len(self.fit.trials) != 1:
            raise ValueError("several rates or weight decays: a search belongs to a recipe")
        if self.datasets and self.fit.ema is not None:
            raise ValueError(
                f"ema {self.fit.ema}: without labels the objective's own weights are judged, not "
                "their average; leave it out, or let the objective keep an average itself"
            )
        if self.objective.get("name") == "none" and self.fit.steps:
            raise ValueError(f"objective none learns nothing: steps {self.fit.steps} must be 0")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a pretrained model is finetuned."""

    adapter: dict[str, Any]
    method: dict[str, Any]
    fit: Fit
    head: dict[str, Any] = dataclasses.field(
        default_factory=dict
    )  # what differs from `heads.HeadConfig`
    views: dict[str, tuple[Any, ...]] = dataclasses.field(
        default_factory=dict
    )  # labeled, weak, strong
    mix: dict[str, Any] = dataclasses.field(default_factory=dict)  # of `mixing`; none: no mixing
    rounds: int = 1
    personalize: Personalization | None = None  # adapt to each patient before predicting
    shuffled: bool = False  # a null: train and valid records have each other's labels

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.views) - {"labeled", "weak", "strong"}):
            raise ValueError(f"views {', '.join(unknown)}: there are labeled, weak and strong")
        if self.shuffled and self.personalize:
            raise ValueError(
                "shuffled: patients would be adapted to by their true labels; leave out one of "
                "`shuffled` and `personalize`"
            )
        if "strong" in self.views and "weak" not in self.views:
            raise ValueError("views: strong asks for weak, a view of the same unlabeled crop")


NOISES = ("white", "baseline_wander", "power_line", "muscle", "baseline_shift", "mix")


@dataclasses.dataclass(frozen=True)
class Condition:
    """How test signals are disturbed before prediction, in the order in which it happens."""

    noise: str | None = None  # of NOISES, or recorded: `nstdb/em` is a dataset and its record
    snr: float | None = None  # dB, over all leads of a record
    swapped: tuple[tuple[str, str], ...] = ()  # pairs of electrodes exchanged, such as RA and LA
    gain: float = 1.0
    fs: int | None = None  # Hz, of a slower recorder; resampled to it and back
    missing: tuple[str, ...] = ()  # leads set to zero

    def __post_init__(self) -> None:
        if (self.noise is None) != (self.snr is None):
            raise ValueError(f"noise {self.noise} and snr {self.snr} go together")
        if self.noise not in (None, *NOISES) and self.noise.count("/") != 1:
            raise ValueError(
                f"noise {self.noise!r}: expected {', '.join(NOISES)}, or DATASET/RECORD of noise"
            )
        if self.fs is not None and self.fs < 1:
            raise ValueError(f"fs {self.fs}: expected a sampling frequency in Hz")

    @property
    def recorded(self) -> tuple[str, str] | None:
        """Dataset and record of the noise, if it is recorded noise."""
        dataset, slash, record = (self.noise or "").partition("/")
        return (dataset, record) if slash else None


def parse(text: str) -> Any:
    """Read settings given on a command line: JSON as the rules write it, or YAML as people do."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        import yaml  # only people write YAML; the stages run without this package

        return yaml.safe_load(text)


def plain(values: Any) -> dict[str, Any]:
    """Turn settings back into keys and values."""
    return dataclasses.asdict(values)


def canonical(values: Any) -> str:
    """One line of JSON that is equal when the settings are: Snakemake compares representations."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"))


def build(cls: type[T], values: dict[str, Any], where: str) -> T:
    """Build a dataclass from plain values; an unknown key is answered with the known ones."""
    if not isinstance(values, dict):
        raise ValueError(f"{where}: expected keys and values for {cls.__name__}, got {values!r}")
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - set(fields)):
        raise ValueError(
            f"{where}: unknown key {', '.join(unknown)}; {cls.__name__} knows: {', '.join(fields)}"
        )
    required = [
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if missing := [name for name in required if name not in values]:
        raise ValueError(f"{where}: missing key {', '.join(missing)} of {cls.__name__}")
    hints = typing.get_type_hints(cls)
    kwargs = {
        name: _convert(hints[name], value, f"{where}: {name}") for name, value in values.items()
    }
    try:
        return cls(**kwargs)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def plugin(values: dict[str, Any], where: str) -> tuple[str, dict[str, Any]]:
    """Split `{name: lora, rank: 16}` into the plug-in's name and what its `Config` is told."""
    if "name" not in values:
        raise ValueError(f"{where}: expected `name` and the plug-in's settings, got {values!r}")
    return values["name"], {key: value for key, value in values.items() if key != "name"}


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Bring a plain value to the type of its field; refuse what does not fit."""
    origin = typing.get_origin(hint)
    if hint is Any or (hint is type(None) and value is None):
        return value
    if origin in (typing.Union, types.UnionType):
        return _convert_to_any_of(typing.get_args(hint), value, where)
    if origin is tuple:
        return _convert_list(typing.get_args(hint), value, where)
    if origin is dict and isinstance(value, dict):
        inner = typing.get_args(hint)[1]
        return {key: _convert(inner, item, f"{where}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return build(hint, value, where)
    if hint is float and type(value) is int:
        return float(value)
    if origin is None and type(value) is hint:  # a bool is no int
        return value
    raise ValueError(f"{where}: expected {getattr(hint, '__name__', hint)}, got {value!r}")


def _convert_to_any_of(options: tuple[Any, ...], value: Any, where: str) -> Any:
    for option in options:
        try:
            return _convert(option, value, where)
        except ValueError:
            continue
    allowed = ", ".join(getattr(option, "__name__", str(option)) for option in options)
    quotes = "; codes of digits, and words that YAML takes for true or false, need quotes"
    powers = "; YAML takes 1e-3 for text: write 0.001" * (isinstance(value, str))
    hint = quotes if "str" in allowed else powers
    raise ValueError(f"{where}: {value!r} is none of {allowed}{hint}")


def _convert_list(inner: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"{where}: expected a list, got {value!r}")
    if inner[-1] is Ellipsis:
        inner = inner[:1] * len(value)
    if len(inner) != len(value):
        raise ValueError(f"{where}: expected {len(inner)} values, got {value!r}")
    return tuple(_convert(kind, item, where) for kind, item in zip(inner, value, strict=True))
