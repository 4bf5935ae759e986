"""The terminal: what `pulsebot` does at a command line, one file each."""
