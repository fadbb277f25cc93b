-- What ships with the extension.

SELECT emotion.load_bundled('english', 1, '28 emotions in English text, trained on GoEmotions');
