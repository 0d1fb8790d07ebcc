"""The notebooks, each run in a short form."""

import json
import sys
from pathlib import Path
from unittest.mock import MagicMock

import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


def test_there_are_four():
    assert [path.stem for path in NOTEBOOKS] == ["field", "images", "learn2learn", "sinusoid"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_holds_what_came_of_it(path):
    text = path.read_text(encoding="utf-8")
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in cells)
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    for cell in cells:
        drawn = ["image/png" in output.get("data", {}) for output in cell["outputs"]]
        assert any(drawn) == any("plt.show()" in line for line in cell["source"])
        assert any("text" in output for output in cell["outputs"]) == any(line.startswith("print(") for line in cell["source"])
    assert len(text) < 150_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, monkeypatch):
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    code = ["".join(cell["source"]) for cell in cells]
    if any("import torch" in text for text in code):
        pytest.importorskip("torch")
    monkeypatch.setenv("FASTWEIGHTS_SHORT", "1")
    # Pictures are for people: nothing is drawn here.
    pyplot = MagicMock()
    pyplot.subplots.side_effect = lambda rows=1, columns=1, **_: (MagicMock(), [MagicMock()] * columns if columns > 1 else MagicMock())
    package = MagicMock()
    package.pyplot = pyplot
    monkeypatch.setitem(sys.modules, "matplotlib", package)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", pyplot)
    space = {}
    for text in code:
        exec(compile(text, path.name, "exec"), space)
