"""The commands of the first hour: look at files, write a configuration or a project, complete a command line."""
