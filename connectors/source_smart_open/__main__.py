from source_smart_open import main

if __name__ == "__main__":
    main()
