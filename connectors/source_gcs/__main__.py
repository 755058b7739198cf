from source_gcs import main

if __name__ == "__main__":
    main()
