// The adversarial games: further parts of the script in live.js, cut and joined as it says.
