"""What several test modules use: servers, tokens, proxies."""
