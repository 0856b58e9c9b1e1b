"""What is on disk: settings, migrations, SQL files and revision modules."""
