from source_local import main

if __name__ == "__main__":
    main()
