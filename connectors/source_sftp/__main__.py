from source_sftp import main

if __name__ == "__main__":
    main()
