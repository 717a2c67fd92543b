"""What is recorded: one module per area of the standard library, none of which knows another.

Each has ``PROBES``: pairs of a module's name and a function that is called once, with the monitor
and the module, when the app has imported it.
"""
