"""Slack as a chat: Socket Mode or signed HTTP in, the Web API out."""

from pulsebot.chat.slack.chat import SlackChat

__all__ = ["SlackChat"]
