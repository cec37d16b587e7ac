"""The paper's steps, as pure functions: propose, screen, classify, instantiate, and how answers are read."""
