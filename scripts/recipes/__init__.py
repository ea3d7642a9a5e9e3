"""Training recipes shipped with Dragoman, as YAML files."""
