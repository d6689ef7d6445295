"""Reading the YAML files of a template pack, with every mistake found on the way."""
