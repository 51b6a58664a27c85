"""The operator's tool: compiles a definition into shards and publishes them as signed releases."""
