/*
 * fuzz_encoder_config.c
 *	  Any bytes as a config.json: refused with a reason, or a configuration that
 *	  comes back from our own JSON the same and has a layout without overlaps.
 */
#include "fuzz.h"

#include "../../src/model/encoder.h"

static void
check_layout(const encoder_config *config)
{
	encoder_layout layout;
	em_status status;
	size_t end = 0;

	if (encoder_layout_init(&layout, config, 28, &status) != EM_OK)
	{
		require(status.code == EM_LIMIT);
		return;
	}
	for (size_t i = 0; i < layout.tensor_count; i++)
	{
		encoder_tensor tensor;

		encoder_tensor_at(&layout, i, &tensor);
		require(tensor.offset >= end && tensor.elements > 0);
		end = tensor.offset + tensor.elements;
	}
	require(end == layout.total && layout.longest >= 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int strict = 0; strict < 2; strict++)
	{
		encoder_config config, again;
		em_status status = { .code = EM_OK };
		char json[ENCODER_CONFIG_JSON_MAX];
		size_t length;

		if (encoder_config_from_json(&config, (em_slice){ (const char *) data, size }, strict == 1,
									 &status) != EM_OK)
		{
			require(status.code != EM_OK && status.message[0] != '\0');
			continue;
		}
		length = encoder_config_to_json(&config, json, sizeof(json));
		require(length > 0 && length < sizeof(json));
		require(encoder_config_from_json(&again, (em_slice){ json, length }, true, &status) ==
				EM_OK);
		require(memcmp(&config, &again, sizeof(config)) == 0);
		check_layout(&config);
	}
	return 0;
}
