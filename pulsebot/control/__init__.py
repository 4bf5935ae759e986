"""Control: statements from a terminal of this machine reach the bot that runs."""
