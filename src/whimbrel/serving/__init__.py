"""What relay and bridge have in common: they listen, speak HTTP and TLS, and are a web site to strangers."""
