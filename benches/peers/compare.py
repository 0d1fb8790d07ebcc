"""A Markdown table of our rates against those of peers, and their ratios, row by row."""

import argparse
import json
import sys

KEY = ("workload", "meta_batch", "order", "inner_steps")


def load(path):
    """The rows of one JSON file: a list, or an object that holds one under `rows`."""
    with open(path, encoding="utf-8") as file:
        rows = json.load(file)
    rows = rows["rows"] if isinstance(rows, dict) else rows
    for number, row in enumerate(rows):
        missing = [key for key in (*KEY, "iterations_per_s") if key not in row]
        if missing:
            sys.exit(f"{path}: row {number} has no {', '.join(missing)}")
    return rows


def best(rows):
    """The fastest row of each key, so that repeated runs or several devices of one side give its best."""
    chosen = {}
    for row in rows:
        key = tuple(row[k] for k in KEY)
        if key not in chosen or row["iterations_per_s"] > chosen[key]["iterations_per_s"]:
            chosen[key] = row
    return chosen


def rate(value):
    """Three significant digits or more, with no exponent."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}" if value >= 100 else f"{value:.3g}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ours", help="from `fastweights bench --json`")
    parser.add_argument("peers", nargs="+", help="from the peers' `--json`; one column for each library")
    parser.add_argument("--device", help="use only those of our rows whose device contains this text")
    options = parser.parse_args()

    ours = load(options.ours)
    if options.device:
        ours = [row for row in ours if options.device.lower() in row["device"].lower()]
    ours = best(ours)
    peers = {}
    for path in options.peers:
        for row in load(path):
            peers.setdefault(row.get("library", path), []).append(row)
    peers = {name: best(rows) for name, rows in peers.items()}

    head = ["workload", "meta-batch", "order", "inner steps", "ours"]
    head += [title for name in peers for title in (name, f"ours / {name}")]
    lines, matched = [head, ["---"] + ["---:" if i not in (2,) else "---" for i in range(1, len(head))]], 0
    for key, row in ours.items():
        cells = [*map(str, key), rate(row["iterations_per_s"])]
        theirs = [rows.get(key) for rows in peers.values()]
        for peer in theirs:
            matched += peer is not None
            ratio = peer and row["iterations_per_s"] / peer["iterations_per_s"]
            cells += [rate(peer["iterations_per_s"]), f"{ratio:.2f}×"] if peer else ["–", "–"]
        lines.append(cells)
    for cells in lines:
        print("| " + " | ".join(cells) + " |")
    print("\nMedian meta-iterations a second; above 1× ours is the faster.")
    devices = sorted({row["device"] for row in ours.values()})
    print(f"Ours: {'; '.join(devices)}.", end="")
    for name, rows in peers.items():
        devices = sorted({f"{row['device']}, version {row.get('version', 'unknown')}" for row in rows.values()})
        print(f" {name}: {'; '.join(devices)}.", end="")
    print()
    if not matched:
        sys.exit("no row of ours has a counterpart in the peers' files")


if __name__ == "__main__":
    main()
