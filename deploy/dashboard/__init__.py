"""The stack's dashboard: `dashboard.json` is what people edit; `make dashboard` puts it into template.yaml."""
