from source_http import main

if __name__ == "__main__":
    main()
