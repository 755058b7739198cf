from destination_sqlite import main

if __name__ == "__main__":
    main()
