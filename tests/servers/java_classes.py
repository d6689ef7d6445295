"""An archive of the Java classes of the embedded graph, with which its JVM starts in about half the time.

The bundled Java has no archive of its own. One is made in the background when several workers run tests, and kept in
``build/``; a JVM that finds none there starts without it.

    python tests/servers/java_classes.py ARCHIVE FLAGS
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
FLAGS = "ARCADEDB_JVM_ARGS"
AS_STARTED = ["-XX:+UseCompactObjectHeaders", "--add-modules=jdk.incubator.vector"]
SERVED = """
import sys
from kptoolkit.graph import Graph
from kptoolkit.graph.sources.memory_source import MemorySource
with Graph.open(f"embedded:{sys.argv[1]}/kg") as graph:
    graph.load(MemorySource([("a", "r", "b"), ("b", "r", "c")], {"a": "A"}, [("1", "a")]))
    graph.neighbourhoods(["a"], 2)
    graph.relation_counts()
"""
CLASS_PATH = """
import jpype
from arcadedb_embedded.jvm import start_jvm
start_jvm()
print(jpype.java.lang.System.getProperty("java.class.path"))
"""


def use_archive(*, make: bool) -> None:
    """Let JVMs of this process and its children use the archive; start to make it if there is none."""
    if sys.platform != "linux" or find_spec("arcadedb_embedded") is None:
        return
    flags = os.environ[FLAGS]
    key = f"{metadata.version('arcadedb-embedded')} {sys.prefix} {flags}"
    archive = CHECKOUT / "build" / f"java-{hashlib.sha256(key.encode()).hexdigest()[:12]}.jsa"
    if make and not archive.exists():
        quiet = subprocess.DEVNULL
        command = [sys.executable, __file__, str(archive), flags]
        subprocess.Popen(command, cwd=CHECKOUT, stdin=quiet, stdout=quiet, stderr=quiet)
    if make or archive.exists():
        os.environ[FLAGS] = f"{flags} -XX:SharedArchiveFile={archive}"


def main(archive: Path, flags: str) -> None:
    """Note the classes that a graph loads, and write the archive under its name when it is complete."""
    import arcadedb_embedded

    archive.parent.mkdir(parents=True, exist_ok=True)
    java = Path(arcadedb_embedded.__file__).parent / "jre" / "bin" / "java"
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        classes, made = Path(folder) / "classes", Path(folder) / "archive"
        noted = os.environ | {FLAGS: f"{flags} -XX:DumpLoadedClassList={classes}"}
        subprocess.run([sys.executable, "-c", SERVED, folder], env=noted, check=True)
        shown = subprocess.run([sys.executable, "-c", CLASS_PATH], capture_output=True, text=True, check=True)
        path = shown.stdout.split()[-1]
        what = [f"-XX:SharedClassListFile={classes}", f"-XX:SharedArchiveFile={made}", *AS_STARTED, *flags.split()]
        subprocess.run([java, "-Xshare:dump", *what, "-cp", path], check=True)
        made.replace(archive)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
