"""pulsebot: what happens in your services, counted and told to the people on call."""
