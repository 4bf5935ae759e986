"""Any stream's reader in a process of its own, so that reading has a processor core to itself.

A Kafka client takes records apart in Python; in the bot's process it would take turns with all
that is done with them.
"""
