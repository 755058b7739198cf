from source_azure_blob_storage import main

if __name__ == "__main__":
    main()
