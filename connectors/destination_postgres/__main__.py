from destination_postgres import main

if __name__ == "__main__":
    main()
