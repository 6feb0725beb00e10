"""What the container images contain and how they behave. `make images` prepares the place and runs this."""
