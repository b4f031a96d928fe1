"""`python -m lifeline` and `lifeline` are the same command."""

import signal


def main() -> None:
    """Run the command; Ctrl-C while it is still read in ends it without a word."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # else somebody asked for Ctrl-C to be ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from lifeline.cli import main as command

    signal.signal(signal.SIGINT, before)
    command()


if __name__ == "__main__":
    main()
