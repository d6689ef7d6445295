"""Jinja templates of sentences and masked personalised prompts: checked, parsed once, rendered in a sandbox."""
