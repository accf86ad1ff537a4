"""The one async shell: wires store, engine, link and transports, and owns every task."""
