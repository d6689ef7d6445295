"""The layout of the package: a newcomer finds a feature by its folder."""

from __future__ import annotations

from collections import Counter, defaultdict

from source_tree import PACKAGE, sources

MOST_FILES = 13
#: One file per command.
LARGE = {"cli"}


def test_no_file_name_is_used_twice() -> None:
    counts = Counter(file.name for file in sources() if not file.name.startswith("__"))
    assert not [name for name, count in counts.items() if count > 1]


def test_folders_are_small() -> None:
    files: dict[str, list[str]] = defaultdict(list)
    for file in sources():
        files[file.parent.relative_to(PACKAGE).as_posix()].append(file.name)
    assert not {
        folder: len(names) for folder, names in files.items() if len(names) > MOST_FILES and folder not in LARGE
    }
    assert files["graph"]


def test_no_module_hides_behind_a_package_of_its_name() -> None:
    assert not [file for file in sources() if file.with_suffix("").is_dir()]
