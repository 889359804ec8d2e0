"""How requests come in and answers go out over HTTP: routes, bodies, documents, the fast path."""
