"""`python -m monosemy.corpus text|labels OUT` makes the embedded corpus or its labels anew, from this Python."""

import argparse
import sysconfig
from pathlib import Path

from monosemy.corpus.freeze import freeze_corpus
from monosemy.corpus.freeze_labels import freeze_corpus_labels
from monosemy.corpus.stdlib import StdlibCorpus


def main() -> None:
    """Write into a folder, from where the files are copied into the package's data once they were looked at."""
    parser = argparse.ArgumentParser(prog="python -m monosemy.corpus", description=__doc__)
    parser.add_argument("what", choices=("text", "labels"), help="the text, or the labels of the text that is shipped")
    parser.add_argument("out", type=Path, help="folder to write")
    arguments = parser.parse_args()
    if arguments.what == "text":
        freeze_corpus(Path(sysconfig.get_path("stdlib")), arguments.out)
    else:
        print(dict(freeze_corpus_labels(StdlibCorpus(), arguments.out)))  # noqa: T201


if __name__ == "__main__":
    main()
