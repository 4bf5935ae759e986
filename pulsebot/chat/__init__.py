"""Chats: one file or folder for each platform, behind one Protocol."""
