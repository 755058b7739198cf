from destination_duckdb import main

if __name__ == "__main__":
    main()
