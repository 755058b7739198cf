"""The one place that joins the rooms: readers, formats, engine, protocol and destinations become a sync or a protocol read."""
