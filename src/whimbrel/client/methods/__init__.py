"""What commands and the page call: one function a method, by subject. `service` knows them by name.

Each takes the service and its parameters and yields JSON-able items; what cannot be done is a ServiceError.
"""
