"""Time recurrent backbones beside their own cells called sample by sample.

    OMP_NUM_THREADS=1 python benchmarks/recurrent.py [--batch 64] [--samples 1000]

Forward and gradient of 12 leads, on the GPU if there is one. Cells have the weights of the
backbone, and that tokens are equal is checked. The forms take turns; on a CPU times are the
process's own, in one thread. The last form makes one token of four samples, which is another
network.
"""

import argparse
import statistics
import time

import torch
from torch import Tensor, nn

from ecgpipe.backbones import rnn

LEADS, STRIDE = 12, 4
NETWORKS = {
    "GRU": rnn.Config(),
    "LSTM": rnn.Config(cell="lstm"),
    "BiLSTM": rnn.Config(cell="lstm", bidirectional=True),
}


class Cells(nn.Module):
    """The cells of a backbone, one a direction, called sample by sample."""

    def __init__(self, recurrent: nn.GRU | nn.LSTM) -> None:
        super().__init__()
        kind = nn.GRUCell if isinstance(recurrent, nn.GRU) else nn.LSTMCell
        self.directions = nn.ModuleList()
        for end in ("", "_reverse")[: 1 + recurrent.bidirectional]:
            cell = kind(recurrent.input_size, recurrent.hidden_size)
            names = cell.state_dict()
            cell.load_state_dict({name: getattr(recurrent, f"{name}_l0{end}") for name in names})
            self.directions.append(cell)

    def forward(self, signal: Tensor) -> Tensor:
        """Take samples from first to last, and in the second direction from last to first."""
        forth, *back = self.directions
        samples = signal.mT
        tokens = [walk(forth, samples), *(walk(cell, samples.flip(1)).flip(1) for cell in back)]
        return torch.cat(tokens, dim=2)


def walk(cell: nn.Module, samples: Tensor) -> Tensor:
    """Call a cell on each sample; return what it remembers at each."""
    memory, tokens = None, []
    for sample in samples.unbind(1):
        memory = cell(sample, memory)
        tokens.append(memory[0] if isinstance(memory, tuple) else memory)
    return torch.stack(tokens, dim=1)


def forms(config: rnn.Config, device: torch.device) -> dict[str, tuple[nn.Module, bool]]:
    """Name the ways to the tokens; true: in bfloat16."""
    torch.manual_seed(0)
    backbone = rnn.Backbone(config, LEADS).to(device)
    cells = Cells(backbone.recurrent).to(device)
    probe = torch.randn(2, LEADS, 50, device=device)
    torch.testing.assert_close(cells(probe), backbone(probe), rtol=1e-3, atol=1e-3)
    strided = rnn.Backbone(rnn.Config(config.cell, config.bidirectional, stride=STRIDE), LEADS)
    return {
        "cell by cell": (cells, False),
        "float32": (backbone, False),
        "bfloat16": (backbone, True),
        f"float32, stride {STRIDE}": (strided.to(device), False),
    }


def now(device: torch.device) -> float:
    """Read the clock: on a CPU that of this process, on a GPU the wall's, all work done."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def seconds(network: nn.Module, bfloat16: bool, signal: Tensor) -> float:
    """Time one forward pass with its gradient."""
    began = now(signal.device)
    with torch.autocast(signal.device.type, torch.bfloat16, enabled=bfloat16):
        tokens = network(signal)
    tokens.float().square().mean().backward()
    return now(signal.device) - began


def main() -> None:
    """Measure all forms in turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    signal = torch.randn(options.batch, LEADS, options.samples, device=device)
    print(f"torch {torch.__version__}, {device}, {options.batch} x {LEADS} x {options.samples}")
    print("| network | form | ms | times as fast |\n|---|---|---|---|")
    for name, config in NETWORKS.items():
        found = forms(config, device)
        times: dict[str, list[float]] = {form: [] for form in found}
        for turn in range(1 + options.rounds):  # the first warms up
            for form, (network, bfloat16) in found.items():
                taken = seconds(network, bfloat16, signal)
                times[form] += [taken] if turn else []
        median = {form: statistics.median(taken) for form, taken in times.items()}
        for form, taken in median.items():
            ratio = median["cell by cell"] / taken
            print(f"| {name} | {form} | {1e3 * taken:.1f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
