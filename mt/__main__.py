"""`python -m dragoman.mt`: the command without its script, as launchers such as `accelerate launch -m` want it."""

from .cli.main import main

if __name__ == "__main__":
    main()
