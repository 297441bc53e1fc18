from __future__ import annotations

from pathlib import Path

from tests.unit.report.test_compared_curves import run
from tests.unit.report.test_comparison import write

from vclr_pl.report.compared_runs import read_runs
from vclr_pl.report.comparison_page import comparison_html


def test_the_page_shows_names_as_text(tmp_path: Path) -> None:
    write(tmp_path / "b" / "<i>|2", metrics={"retrieval_r1": 60.0})
    write(tmp_path / "b" / "1", metrics={"retrieval_r1": 60.04})
    html = comparison_html(read_runs([str(tmp_path)]))
    assert "&lt;i&gt;|2" in html
    assert "<i>" not in html
    assert html.count("<td>60.0</td>") == 2  # equal values have no star
    assert "<fieldset" not in html  # no curves


def test_options_are_columns_and_each_run_has_a_line_and_a_switch(tmp_path: Path) -> None:
    for seed in range(8):
        run(tmp_path / str(seed), seed=seed, losses=[4.0, 3.0], knn=(10.0, 50.0))
    html = comparison_html(read_runs([str(tmp_path)]))
    assert '<th scope="col">kNN top-1</th><th scope="col" class="option">seed</th>' in html  # the metrics first
    assert '<th scope="row">7: seed 7</th>' in html  # the name that the switch has
    assert "</svg>7: seed 7</label>" in html
    assert html.count('<input type="checkbox" id="run-') == 8
    assert html.count('data-curve="7: seed 7"') == 3  # two losses and kNN
    assert 'class="run-7 c1 d1"' in html  # the second color, dashed: there are six colors
    assert "body:has(#run-7:not(:checked)) .run-7 { display: none; }" in html
