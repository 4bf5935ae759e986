"""Telegram as a chat; `chat.TelegramChat` is its face."""
