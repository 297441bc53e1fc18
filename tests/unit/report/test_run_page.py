from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest
from tests.page.sample_page import HOSTILE
from tests.page.sample_run import ended_run, sample_curves, sample_run

from vclr_pl.report.run_page import BROKEN_SHOWN, BrokenRow, render_run, write_run_page


def section(html: str, heading: str) -> str:
    """The text of the section with this heading, without markup."""
    found = re.search(rf"<section[^>]*><h2>{heading}</h2>.*?</section>", html, re.DOTALL)
    assert found is not None, heading
    return re.sub(r"<[^>]+>|\s+", " ", found.group())


def test_a_running_page_reloads_itself_and_an_ended_one_does_not():
    running, ended = render_run(sample_run()), render_run(ended_run())
    assert 'data-alive="true"' in running
    assert '<noscript><meta http-equiv="refresh" content="10"></noscript>' in running
    assert 'data-alive="false"' in ended
    assert 'http-equiv="refresh"' not in ended


def test_the_results_are_beside_the_baseline_with_intervals():
    text = re.sub(" +", " ", section(render_run(ended_run()), "Results"))
    assert "retrieval R@1 10.0 33.3 26.3 to 41.2 62.0 54.0 to 69.4 +28.7" in text
    assert "retrieval mAP 40.0" in text


def test_names_and_messages_are_text():
    html = render_run(sample_run(detail="failed: <script>window.broken_in='detail'</script>"))
    assert html.count("<script>") == 1  # our own
    assert "window.broken_in='script'</script>" not in html
    assert "data.root=&#39;my &lt;b&gt;videos" in html
    assert "caf" not in html
    assert "ünïcode \\xe9" in html
    for name in HOSTILE[:3]:
        assert name not in html


def test_the_verdict_has_the_command_that_settles_it():
    html = render_run(ended_run())
    panel = html[html.index('class="panel said') : html.index('class="figures"')]
    assert "trainer.max_epochs=84" in panel
    assert "trainer.max_epochs=84" not in render_run(sample_run())


def test_axes_have_their_units():
    html = render_run(sample_run(curves={"train/top1": [(1, 0.0), (9, 100.0)]}))
    assert re.search(r'<div class="steps"><span [^>]*>step 1</span><span [^>]*>5</span>', html)
    assert re.search(r'<div class="values">(<span [^>]*>\d+%</span>)+</div>', html)


def test_the_bold_number_of_a_chart_says_what_it_is():
    html = render_run(sample_run())
    assert re.search(r'<h3>inter frame</h3><output class="now" aria-live="off">gap [\d.]+</output>', html)
    assert re.search(r'<h3>total loss</h3><output class="now" aria-live="off">last [\d.]+</output>', html)


def test_after_the_end_no_broken_video_is_expected():
    for page, expected in ((sample_run(broken=[], broken_count=0), "None so far."), (ended_run(broken=[], broken_count=0), "None. ")):
        assert expected in section(render_run(page), "Broken videos")


def test_every_section_has_its_heading():
    headings = re.findall(r"<h2>(.*?)</h2>", render_run(ended_run()))
    assert headings == [
        "Results",
        "Losses",
        "Similarities",
        "Accuracy in training",
        "Evaluation during training",
        "Rate and speed",
        "Views",
        "Options",
        "Broken videos",
        "Next commands",
    ]


def test_tables_name_their_rows_and_columns():
    html = render_run(ended_run())
    assert html.count("<th") - html.count("<thead") == html.count('<th scope="')
    assert re.search(r'<th scope="row">total loss<small>Losses</small></th><td>1\d\.\d+</td>', html)


def test_the_text_of_a_chart_says_its_values_and_its_level():
    curves = {"train/loss_inter_frame": [(1, 6.6), (30, 4.25)]}
    html = render_run(sample_run(curves=curves))
    text = "inter frame. loss: 6.6 at step 1, 4.25 at step 30; random guess: log(1 + 768)."
    assert f'role="img" aria-label="{text}"' in html


def test_the_longest_run_with_all_curves_stays_small():
    curves = sample_curves(steps=100_000)
    curves |= {f"train/loss_term_{number}": curves["train/loss"] for number in range(20)}
    size = len(render_run(sample_run(curves=curves)).encode())
    assert size < 1_000_000


def test_curves_are_drawn_within_their_chart():
    drawing = re.search(r"<svg.*?</svg>", render_run(sample_run()), re.DOTALL)
    assert drawing is not None
    lines = [line.get("points") for line in ElementTree.fromstring(drawing.group()).iter("polyline")]
    places = [tuple(map(float, pair.split(","))) for line in lines for pair in str(line).split()]
    assert len(places) == 200
    assert all(0 <= x <= 1000 and 0 <= y <= 400 for x, y in places)


@pytest.mark.parametrize(
    "curves",
    [{}, {"train/loss": [(1, 3.0)]}, {"train/loss": [(1, math.nan)]}, {"train/loss": [(1, 2.0), (2, math.nan), (3, math.inf)]}],
    ids=["none", "one step", "nothing but NaN", "some NaN"],
)
def test_few_and_broken_values(curves):
    html = render_run(sample_run(curves=curves, views=[], broken=[], broken_count=0))
    assert "nan" not in re.sub(r"<style>.*?</style>|<script>.*?</script>", "", html, flags=re.DOTALL).lower().split()
    assert ("The curves begin after the first steps." in html) == (not curves)
    assert ("not a number at step" in html) == any(math.isnan(value) for points in curves.values() for _, value in points)
    assert "None so far." in section(html, "Broken videos")


def test_of_many_broken_videos_the_first_are_listed():
    broken = [BrokenRow(name=f"video_{number}.mp4", reason="no frames") for number in range(1000)]
    text = section(render_run(sample_run(broken=broken, broken_count=1000)), "Broken videos")
    assert text.count(".mp4") == BROKEN_SHOWN
    assert "1000 videos could not be read" in text


def test_it_is_written_whole(tmp_path):
    write_run_page(sample_run(), tmp_path / "run" / "run.html")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.html"]
    assert (tmp_path / "run" / "run.html").read_text().endswith("</html>")
