"""A council behind OpenAI's chat completions API: what speaks to OpenAI can ask a room or an agent."""
