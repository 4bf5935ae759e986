"""The demo: little services that really crash, a crawler, and the bot in this terminal."""
