"""Every file in ecgpipe/figures keeps these promises."""

from dataclasses import asdict

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from ecgpipe import registry, render


@pytest.fixture(params=registry.names("figures"), scope="module")
def plugin(request):
    return registry.load("figures", request.param)


@pytest.fixture(scope="module")
def drawn(plugin, needs):
    return plugin.draw(needs)


def test_it_names_only_what_a_study_has(plugin):
    assert set(plugin.NEEDS) <= set(render.SOURCES)
    assert plugin.__doc__


def test_it_draws_panels_whose_axes_have_labels_or_no_ticks(drawn):
    assert isinstance(drawn, Figure)
    assert drawn.axes
    assert any(panel.get_xlabel() for panel in drawn.axes)
    assert any(panel.get_ylabel() or not panel.yaxis.get_visible() for panel in drawn.axes)


def test_no_text_is_too_small_to_read(drawn):
    texts = [text for text in drawn.findobj(Text) if text.get_text() and text.get_visible()]
    assert min(text.get_fontsize() for text in texts) >= 6


def test_nothing_leaves_the_page(drawn):
    drawn.draw_without_rendering()
    box = drawn.get_tightbbox()
    assert min(box.x0, box.y0) > -0.03  # inches
    assert box.x1 < drawn.get_figwidth() + 0.03
    assert box.y1 < drawn.get_figheight() + 0.03


def test_drawn_and_saved_twice_it_gives_the_same_bytes(plugin, drawn, needs, tmp_path):
    for suffix in (".pdf", ".png"):
        drawn.savefig(tmp_path / f"once{suffix}")
        plugin.draw(needs).savefig(tmp_path / f"twice{suffix}")
        once, twice = (tmp_path / f"{name}{suffix}" for name in ("once", "twice"))
        assert once.read_bytes() == twice.read_bytes()


def test_the_stage_writes_pdf_with_embedded_fonts_and_png(needs, tmp_path):
    from ecgpipe.settings import canonical
    from ecgpipe.stages import figure as stage

    needs.scores.to_csv(tmp_path / "scores.csv", index=False)
    none = dict.fromkeys(("comparisons", "costs", "histories"))
    stage.run(
        figure="label_efficiency",
        settings=canonical({"study": asdict(needs.study)}),
        results=tmp_path,
        scores=tmp_path / "scores.csv",
        shards=[],
        out=tmp_path / "figures" / "label_efficiency.pdf",
        **none,
    )
    files = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert files == ["label_efficiency.pdf", "label_efficiency.png"]
    pdf = (tmp_path / "figures" / "label_efficiency.pdf").read_bytes()
    assert b"/CIDFontType2" in pdf and b"/Type3" not in pdf
