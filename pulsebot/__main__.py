"""`python -m pulsebot`."""

from pulsebot.cli import main

main()
