"""The released OpenAPI documents: written from the code, checked against the last release, turned into typed clients."""
