"""``python -m tests.golden.refresh``: writes all golden tapes anew. Read the diff."""

from tests.golden.tapes import FOLDER, REAL, SAMPLES, SESSION, real, tape


def main() -> None:
    """The full set or nothing: all texts are made before the first is written."""
    texts = {f"{name}.jsonl": tape(name) for name in (*SAMPLES, SESSION)}
    texts[REAL] = real()
    for name, text in texts.items():
        (FOLDER / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
