// Command readers prints what two readers of .env files make of a file. Each line of stdin is a file in base64. Each line of stdout is an
// object: for each reader the variables by name, or null if it refuses the file.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"log"
	"os"
	"strings"

	compose "github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/joho/godotenv"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<26)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		file, err := base64.StdEncoding.DecodeString(lines.Text())
		if err != nil {
			log.Fatal(err)
		}
		// What Compose passes is the environment of the project. It is empty here, so that each expansion shows.
		byCompose, err := compose.ParseWithLookup(strings.NewReader(string(file)), func(string) (string, bool) { return "", false })
		if err != nil {
			byCompose = nil
		}
		byGodotenv, err := godotenv.UnmarshalBytes(file)
		if err != nil {
			byGodotenv = nil
		}
		if err := out.Encode(map[string]map[string]string{"compose": byCompose, "godotenv": byGodotenv}); err != nil {
			log.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}
