from source_declarative_manifest import main

if __name__ == "__main__":
    main()
