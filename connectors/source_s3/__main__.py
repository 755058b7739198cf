from source_s3 import main

if __name__ == "__main__":
    main()
